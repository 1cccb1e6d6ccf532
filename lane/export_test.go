package lane

// Ushers returns how many goroutines pass on calls of l.
func (l *Lane) Ushers() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ushers
}
