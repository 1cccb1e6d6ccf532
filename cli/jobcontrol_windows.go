package cli

// A jobControl does nothing on Windows, which has no such signals.
type jobControl struct {
	report, suspend, resume func()
}

func (jobControl) watch() (stop func()) { return func() {} }

func (w *commandWork) suspend() {}
func (w *commandWork) resume()  {}
