package multiprocessing_test

func play() {}
