// Package dashboard shows a run, from its log: as a page in the browser, as one file
// to keep or send, and in a terminal.
//
// A [Server] serves the page on loopback, for one log that is followed while it grows:
//
//	s, err := dashboard.New("run.ndjson", dashboard.Config{})
//	fmt.Println(s.URL())
//	err = s.Serve(ctx)
//
// [Load] reads a log into a [Model], which is what there is to see. [Model.WriteHTML]
// writes the same page as a single file that needs no server, and [Model.Draw] draws the
// lanes with characters.
//
// # What it costs
//
// The run does not know who looks. Its log is a file that it writes anyway, so a viewer
// that is slow, stalled or absent costs the run nothing. The server reads the log only
// while a page is open, five times a second, and what it holds is bounded: see [Model].
// A page that does not keep up is told to fetch everything again; nothing is queued
// for it.
//
// # Who may look
//
// The server listens on 127.0.0.1 alone. Its address holds a random token, which
// becomes a cookie that scripts cannot read and other sites cannot send. Requests that
// name another host, as after DNS rebinding, or that come from another site, are
// refused. The page loads nothing from elsewhere, and its content security policy
// forbids that.
package dashboard
