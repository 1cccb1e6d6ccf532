// Package connection connects programs that are not each other's workers, on one machine
// or on several: [Listen] and [Dial] make connections whose two sides have proved to each
// other that they have the same key, before anything else that comes is looked at. What
// travels on them, and how, is said at [multiprocessing.Conn].
//
// It is a package of its own because it needs the network, with which a worker process
// would take half as long again to start.
package connection
