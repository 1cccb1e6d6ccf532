package enginetest_test

const countsDescriptors = true
