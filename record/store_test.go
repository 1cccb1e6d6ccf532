package record_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-braid/braid/record"
)

func TestID(t *testing.T) {
	var ids []string
	for range 10_000 {
		ids = append(ids, record.NewID())
	}
	if !slices.IsSorted(ids) || len(slices.Compact(slices.Clone(ids))) != len(ids) {
		t.Error("the IDs are not in order, or not all different")
	}
	for _, id := range ids[:10] {
		if len(id) != 26 || strings.Trim(id, "0123456789ABCDEFGHJKMNPQRSTVWXYZ") != "" || id[0] > '7' {
			t.Errorf("%q is no ULID", id)
		}
	}
}

// keep records a run in s: spans of inputs, with the text as what is hashed, that end with a state.
func keep(t *testing.T, s record.Store, parent string, close bool, inputs ...string) (id, path string) {
	t.Helper()
	id, path, err := s.New()
	if err != nil {
		t.Fatal(err)
	}
	write(t, path, id, parent, close, inputs...)
	return id, path
}

// write writes the log of a run. An input is its text, an equals sign and the states of the last
// attempts at it, with a "+" before one that is followed by another.
func write(t *testing.T, path, id, parent string, close bool, inputs ...string) {
	t.Helper()
	b := record.Append(nil, &record.Run{Schema: record.Schema, ID: id, Wall: time.Now(), Parent: parent, PID: os.Getpid(), Host: "elsewhere"})
	at := time.Duration(0)
	for i, in := range inputs {
		text, states, _ := strings.Cut(in, "=")
		for _, state := range strings.Fields(states) {
			at += time.Millisecond
			state, again := strings.CutPrefix(state, "+")
			b = record.Append(b, &record.Span{End: at, Input: i, State: record.State(state), Last: !again})
			if i%2 == 1 { // an input may be told of at any time
				b = record.Append(b, &record.Input{Number: i, Key: record.Key("task", []byte(text))})
			}
		}
		if i%2 == 0 {
			b = record.Append(b, &record.Input{Number: i, Key: record.Key("task", []byte(text))})
		}
	}
	if close {
		b = record.Append(b, &record.End{Time: at, Verdict: "ok"})
	} else {
		b = append(b, `{"type":"spa`...)
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestStore(t *testing.T) {
	s := record.Store{Dir: filepath.Join(t.TempDir(), "state", "runs")}
	if infos, err := s.List(); len(infos) != 0 || err != nil {
		t.Errorf("List of a store that does not exist = %v, %v", infos, err)
	}
	if _, err := s.Find("last"); !errors.Is(err, record.ErrNoRun) {
		t.Errorf("Find in an empty store: %v", err)
	}
	ended, endedPath := keep(t, s, "", true, "a=ok")
	died, _ := keep(t, s, "", false, "a=ok")
	running, path, err := s.New()
	if err != nil {
		t.Fatal(err)
	}
	l, err := record.Create(path, record.Run{ID: running}, record.Config{})
	if err != nil {
		t.Fatal(err)
	}
	fresh, _, err := s.New() // its log comes in a moment
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.Dir, "notes.txt"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	infos, err := s.List()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, i := range infos {
		got = append(got, fmt.Sprint(i.ID, " ", i.State, " ", i.Err != nil))
	}
	want := []string{ended + " ended false", died + " died false", running + " running false", fresh + "  true"}
	if !slices.Equal(got, want) {
		t.Errorf("List = %v; want %v", got, want)
	}
	for what, id := range map[string]string{
		"last": running, ended: ended, strings.ToLower(died): died, endedPath: ended, filepath.Dir(endedPath): ended, running[:26]: running,
	} {
		if i, err := s.Find(what); err != nil || i.ID != id {
			t.Errorf("Find(%q) = %s, %v; want %s", what, i.ID, err, id)
		}
	}
	for _, what := range []string{"", "NONE", ended[:4], "/no/such/file", "none.ndjson"} {
		if i, err := s.Find(what); !errors.Is(err, record.ErrNoRun) {
			t.Errorf("Find(%q) = %s, %v; want %v", what, i.ID, err, record.ErrNoRun)
		}
	}
	if err := s.Remove(running, ended, "../x", "01ARZ3NDEKTSV4RRFFQ69G5FAV"); !errors.Is(err, record.ErrRunning) || !errors.Is(err, record.ErrNoRun) {
		t.Errorf("Remove = %v; want %v and %v", err, record.ErrRunning, record.ErrNoRun)
	}
	if _, err := os.Stat(filepath.Dir(endedPath)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the run that has ended is still there: %v", err)
	}
	if removed, err := s.Prune(0, 0); err != nil || !slices.Equal(removed, []string{died}) {
		t.Errorf("Prune = %v, %v; want only the run that died: others go on, or begin", removed, err)
	}
	if err := l.Close(record.End{Verdict: "ok"}); err != nil {
		t.Fatal(err)
	}
	if i, err := s.Find(running); err != nil || i.State != record.Ended || i.End.Verdict != "ok" {
		t.Errorf("after its end the run is %+v, %v", i, err)
	}
	if removed, err := s.Prune(0, time.Hour); err != nil || len(removed) != 0 {
		t.Errorf("Prune of runs older than an hour = %v, %v; want none", removed, err)
	}
	if removed, err := s.Prune(2, 0); err != nil || len(removed) != 0 {
		t.Errorf("Prune of all but two = %v, %v; want none", removed, err)
	}
}

// TestPruneParents keeps what a run that is kept takes up again.
func TestPruneParents(t *testing.T) {
	s := record.Store{Dir: t.TempDir()}
	first, _ := keep(t, s, "", true)
	second, _ := keep(t, s, first, true)
	other, _ := keep(t, s, "", true)
	third, _ := keep(t, s, second, true)
	removed, err := s.Prune(1, 0)
	if err != nil || !slices.Equal(removed, []string{other}) {
		t.Errorf("Prune = %v, %v; want %s alone: %s takes up %s and %s", removed, err, other, third, second, first)
	}
}

func TestKey(t *testing.T) {
	if record.Key("a", []byte("bc")) == record.Key("ab", []byte("c")) {
		t.Error("a task and an input have the key of another task and another input")
	}
	if first, second := record.Key("a", []byte("b")), record.Key("a", []byte("b")); first != second {
		t.Error("the key of an input is not always the same")
	}
}

func TestDefaultDir(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", "/state")
	if dir, err := record.DefaultDir(); dir != filepath.FromSlash("/state/braid/runs") || err != nil {
		t.Errorf("DefaultDir = %q, %v", dir, err)
	}
	t.Setenv("XDG_STATE_HOME", "relative") // which the specification has ignored
	t.Setenv("HOME", "/home/u")
	if dir, err := record.DefaultDir(); !strings.HasSuffix(filepath.ToSlash(dir), "/home/u/.local/state/braid/runs") || err != nil {
		t.Errorf("DefaultDir = %q, %v", dir, err)
	}
}
