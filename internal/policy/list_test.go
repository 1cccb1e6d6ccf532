package policy

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"
)

// A listed package is what go list says about one.
type listed struct {
	ImportPath string
	Standard   bool
	Imports    []string
	Export     string // file of export data, with -export
}

// list runs go list for a platform, without cgo, so that the answer is the same
// everywhere.
func list(t *testing.T, goos string, args ...string) []listed {
	t.Helper()
	args = append([]string{"list", "-json=ImportPath,Standard,Imports,Export"}, args...)
	cmd := exec.Command("go", args...)
	cmd.Dir = root
	cmd.Env = append(cmd.Environ(), "GOOS="+goos, "GOARCH=amd64", "CGO_ENABLED=0")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, stderr.String())
	}
	var pkgs []listed
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return pkgs
		} else if err != nil {
			t.Fatalf("go %s: %v", strings.Join(args, " "), err)
		}
		pkgs = append(pkgs, p)
	}
}

// chain says through which of pkgs the package at path comes in, from its
// importer on.
func chain(pkgs []listed, path string) string {
	importer := make(map[string]string)
	for _, p := range pkgs {
		for _, imported := range p.Imports {
			if importer[imported] == "" {
				importer[imported] = p.ImportPath
			}
		}
	}
	var links strings.Builder
	for p := importer[path]; p != ""; p = importer[p] {
		links.WriteString(" ← " + p)
	}
	return path + links.String()
}

func TestChain(t *testing.T) {
	pkgs := []listed{
		{ImportPath: "c"},
		{ImportPath: "b", Imports: []string{"c"}},
		{ImportPath: "x", Imports: []string{"c", "b"}},
		{ImportPath: "a", Imports: []string{"x", "b"}},
	}
	if got, want := chain(pkgs, "c"), "c ← b ← x ← a"; got != want {
		t.Errorf("chain = %q, want %q", got, want)
	}
	if got, want := chain(pkgs, "a"), "a"; got != want {
		t.Errorf("chain = %q, want %q", got, want)
	}
}

// importPath returns the import path of one of our rooms.
func importPath(room string) string {
	if room == "braid" {
		return modulePath
	}
	return modulePath + "/" + room
}
