package dashboard

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
)

// fileDetails is how many bytes of errors and output of failed attempts a file has.
const fileDetails = 8 << 20

// WriteHTML writes the page of the run as one file that needs no server and no
// network: the program, the style, all that is shown, and errors and output of up to
// 8 MiB. Texts of inputs come along up to 16 MiB and 500,000 attempts; beyond that, only
// those of attempts that failed. The content security policy in the file allows what is
// in it and nothing else. A run that goes on is shown as it is now. The error is that
// of w.
func (m *Model) WriteHTML(w io.Writer) error {
	m.sort()
	a := *loadAssets()
	page, script, style := a["index.html"].plain, a["app.js"].plain, a["app.css"].plain
	if bytes.Contains(bytes.ToLower(script), []byte("</script")) || bytes.Contains(bytes.ToLower(style), []byte("</style")) {
		return errors.New("the page's program cannot stand in a file: it holds an end tag")
	}
	details, omitted := m.failures(fileDetails)
	text, err := json.Marshal(details) // which escapes <, > and &, so that no text ends the element
	if err != nil {
		return err
	}

	f := &filler{w: w, page: page}
	f.until(`<meta charset="utf-8">`)
	f.text(`<meta charset="utf-8">` + "\n")
	f.text(fmt.Sprintf(`<meta http-equiv="Content-Security-Policy" content="default-src 'none'; base-uri 'none'; form-action 'none'; script-src %s; style-src %s">`,
		sourceHash(script), sourceHash(style)))
	f.until(`<title>braid</title>`)
	f.text("<title>" + html.EscapeString(m.title()) + "</title>")
	f.until(`<link rel="stylesheet" href="app.css">`)
	f.text("<style>")
	f.bytes(style)
	f.text("</style>")
	f.until(`<script src="app.js"></script>`)
	f.text(`<script type="application/octet-stream" id="snapshot">`)
	if f.err == nil {
		f.err = m.writePacked(w, omitted)
	}
	f.text("</script>\n" + `<script type="application/json" id="details">`)
	f.bytes(text)
	f.text("</script>\n<script>")
	f.bytes(script)
	f.text("</script>")
	f.bytes(f.page)
	return f.err
}

// writePacked writes the snapshot, compressed and in base64.
func (m *Model) writePacked(w io.Writer, omitted int) error {
	b := base64.NewEncoder(base64.StdEncoding, w)
	z := gzip.NewWriter(b)
	err := m.writeSnapshot(z, fileTexts, func(h *head) {
		if h.State == "running" {
			h.State = "stale" // a file gets no news
		}
		if omitted > 0 {
			h.Advice = append(h.Advice, adviceHead{
				Code: "omitted",
				Text: fmt.Sprintf("the output of %s more failed attempts found no room in this file: it is in the log", thousands(omitted)),
			})
		}
	})
	if err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	return b.Close()
}

// title names the run for people.
func (m *Model) title() string {
	name := m.run.Name
	if name == "" {
		name = m.run.Task
	}
	if name == "" {
		return "braid"
	}
	return name + " – braid"
}

// sourceHash returns what allows a script or a style in a content security policy.
func sourceHash(text []byte) string {
	sum := sha256.Sum256(text)
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// A filler copies a page and puts something in the place of parts of it.
type filler struct {
	w    io.Writer
	page []byte // what is left of it
	err  error
}

func (f *filler) bytes(b []byte) {
	if f.err == nil {
		_, f.err = f.w.Write(b)
	}
}

func (f *filler) text(s string) { f.bytes([]byte(s)) }

// until copies the page up to a part, which is left out.
func (f *filler) until(part string) {
	before, after, found := bytes.Cut(f.page, []byte(part))
	if !found && f.err == nil {
		f.err = fmt.Errorf("the page's document has no %s", part)
	}
	f.bytes(before)
	f.page = after
}
