//go:build !unix && !windows

package usage

func processTime() (Usage, bool)  { return Usage{}, false }
func childrenTime() (Usage, bool) { return Usage{}, false }
