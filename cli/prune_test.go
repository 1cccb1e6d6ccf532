package cli

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-braid/braid/record"
)

func TestParseKeepRule(t *testing.T) {
	for text, want := range map[string]keepRule{
		"all":              {},
		"100":              {runs: 100},
		"12h":              {age: 12 * time.Hour},
		"1.5d":             {age: 36 * time.Hour},
		"64K":              {size: 64 << 10},
		defaultKeepRuns:    {runs: 100, age: 30 * 24 * time.Hour, size: 1 << 30},
		"1G,30d,100":       {runs: 100, age: 30 * 24 * time.Hour, size: 1 << 30},
		"1,90m,1048576KiB": {runs: 1, age: 90 * time.Minute, size: 1 << 30},
	} {
		if got, err := parseKeepRule(text); err != nil || got != want {
			t.Errorf("%q is %+v, %v; want %+v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "0", "-1", "many", "1,", "-1d", "1e99d", "NaNd", "-5m", "100,none"} {
		if got, err := parseKeepRule(text); err == nil || !strings.Contains(err.Error(), "no number of runs such as 100") {
			t.Errorf("%q is %+v, %v; want an error that says what would be right", text, got, err)
		}
	}
}

// storeOf makes a store in which run n began n hours ago, if it is not running, and takes
// so many bytes. Parents are numbers of runs, 0 if there is none.
func storeOf(t *testing.T, now time.Time, parents []int, size int) (record.Store, []string) {
	t.Helper()
	s := record.Store{Dir: t.TempDir()}
	ids := make([]string, len(parents)+1)
	for n := len(parents); n > 0; n-- {
		ids[n] = fmt.Sprintf("01J%023d", 1000-n)
		dir := filepath.Join(s.Dir, ids[n])
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		text := record.Append(nil, &record.Run{Schema: record.Schema, ID: ids[n], Host: "elsewhere.example",
			Wall: now.Add(-time.Duration(n) * time.Hour), Parent: ids[parents[n-1]]})
		if err := os.WriteFile(filepath.Join(dir, record.LogName), text, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, keptName), make([]byte, size-len(text)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return s, ids
}

func TestPrune(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	none := []int{0, 0, 0, 0, 0}
	for _, c := range []struct {
		name    string
		rule    keepRule
		parents []int
		want    string // the numbers of those that stay, the newest first
	}{
		{"all", keepRule{}, none, "1 2 3 4 5"},
		{"by number", keepRule{runs: 2}, none, "1 2"},
		{"by age", keepRule{age: 3*time.Hour + time.Minute}, none, "1 2 3"},
		{"by size", keepRule{size: 4000}, none, "1 2 3 4"},
		{"one stays, whatever its size", keepRule{size: 10}, none, "1"},
		{"none is young enough", keepRule{age: time.Minute}, none, ""},
		{"the strictest decides", keepRule{runs: 4, age: 24 * time.Hour, size: 3000}, none, "1 2 3"},
		{"what was taken up stays", keepRule{runs: 1}, []int{3, 0, 5, 0, 0}, "1 3 5"},
		{"what was taken up by what goes does not", keepRule{runs: 1}, []int{0, 3, 0, 0, 0}, "1"},
		{"a circle", keepRule{runs: 1}, []int{2, 1, 0, 0, 0}, "1 2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, ids := storeOf(t, now, c.parents, 1000)
			if err := c.rule.prune(s, now); err != nil {
				t.Fatal(err)
			}
			var left []string
			runs, err := s.List()
			if err != nil {
				t.Fatal(err)
			}
			newestFirst(runs)
			for _, r := range runs {
				left = append(left, fmt.Sprint(slices.Index(ids, r.ID)))
			}
			if got := strings.Join(left, " "); got != c.want {
				t.Errorf("%q stay, want %q", got, c.want)
			}
		})
	}
}

// A run that goes on stays, and so does one that may be about to begin.
func TestPruneWhileRunning(t *testing.T) {
	now := time.Now()
	s, ids := storeOf(t, now, []int{0, 0}, 1000)
	id, path, err := s.New()
	if err != nil {
		t.Fatal(err)
	}
	log, err := record.Create(path, record.Run{ID: id}, record.Config{})
	if err != nil {
		t.Fatal(err)
	}
	begins, _, err := s.New()
	if err != nil {
		t.Fatal(err)
	}
	if err := (keepRule{runs: 1, age: 1}).prune(s, now.Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{id, begins} {
		if _, err := os.Stat(filepath.Join(s.Dir, id)); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Stat(filepath.Join(s.Dir, ids[1])); err == nil {
		t.Error("a run that ended stays")
	}
	if err := log.Close(record.End{}); err != nil {
		t.Fatal(err)
	}
	if err := (keepRule{age: 1}).prune(s, now.Add(math.MaxInt32*time.Second)); err != nil {
		t.Fatal(err)
	}
	if runs, err := s.List(); err != nil || len(runs) > 0 {
		t.Errorf("%d runs stay, %v", len(runs), err)
	}
}
