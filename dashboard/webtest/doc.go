// Package webtest tests the page in dashboard/web with a real browser.
//
// It is a module of its own, so that who uses braid does not download a browser's
// protocol. The page's data are made here, from the description of their format, so
// that a mistake in the server's encoder and one in the page cannot hide each other.
package webtest
