package tasks

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/go-braid/braid"
)

// SHA256 is the task sha256: it takes the name of a file and gives its digest.
var SHA256 = braid.Define("sha256", digest,
	braid.Doc("The SHA-256 digest of a file, as sha256sum prints it."),
	braid.Idempotent())

// A Digest is the result of [SHA256].
type Digest struct {
	Path   string `json:"path"`   // the file, as it was given
	SHA256 string `json:"sha256"` // 64 hexadecimal digits, in lower case
	Bytes  int64  `json:"bytes"`  // the size of the file
}

func digest(ctx context.Context, path string) (Digest, error) {
	h := sha256.New()
	size, err := readFile(ctx, path, func(piece []byte) error {
		_, err := h.Write(piece)
		return err
	})
	if err != nil {
		return Digest{}, err
	}
	return Digest{Path: path, SHA256: hex.EncodeToString(h.Sum(nil)), Bytes: size}, nil
}

var sumEscaper = strings.NewReplacer(`\`, `\\`, "\n", `\n`, "\r", `\r`)

// String returns the line that sha256sum prints, and sha256sum --check reads: if
// the name has a backslash, a line feed or a carriage return, they are escaped,
// and the line begins with a backslash to say so.
func (d Digest) String() string {
	if name := sumEscaper.Replace(d.Path); name != d.Path {
		return `\` + d.SHA256 + "  " + name
	}
	return d.SHA256 + "  " + d.Path
}
