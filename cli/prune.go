package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/go-braid/braid/record"
)

// A keepRule says which records stay when a run has ended: the newest, as many as fit all
// bounds. A bound of 0 is none.
type keepRule struct {
	runs int
	age  time.Duration
	size int64 // of all together, in bytes
}

// parseKeepRule reads a rule such as 100,30d,1G: what a part bounds is told by its unit.
func parseKeepRule(s string) (r keepRule, err error) {
	if s == "all" {
		return r, nil
	}
	for part := range strings.SplitSeq(s, ",") {
		if n, err := strconv.Atoi(part); err == nil && n > 0 {
			r.runs = n
		} else if age, err := parseAge(part); err == nil && age > 0 {
			r.age = age
		} else if size, err := parseBytes(part); err == nil && size > 0 {
			r.size = size
		} else {
			return r, usageError(fmt.Errorf("--keep-runs %q: %q is no number of runs such as 100, no age such as 30d or 12h, and no size such as 1G", s, part),
				"--keep-runs "+defaultKeepRuns+", or all")
		}
	}
	return r, nil
}

// parseAge reads an age: a number of days such as 30d, or a duration with a unit.
func parseAge(s string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.ParseFloat(days, 64)
		if err != nil || !(n >= 0) || n > 36500 {
			return 0, errors.New("it is no number of days")
		}
		return time.Duration(n * 24 * float64(time.Hour)), nil
	}
	d, err := time.ParseDuration(s)
	if err == nil && d < 0 {
		err = errors.New("it is negative")
	}
	return d, err
}

// beginning is how long a run without a readable record may be one that begins.
const beginning = time.Hour

// prune removes what the rule does not keep. Runs that still run stay, and so do those
// that a run which stays has taken up: what they had done is known from their records
// alone.
func (r keepRule) prune(store record.Store, now time.Time) error {
	if r == (keepRule{}) {
		return nil
	}
	runs, err := store.List()
	if err != nil {
		return err
	}
	newestFirst(runs)
	byID := make(map[string]record.Info, len(runs))
	for _, run := range runs {
		byID[run.ID] = run
	}
	stays := make(map[string]bool)
	var size int64
	full := false
	for i, run := range runs {
		size += sizeOf(filepath.Dir(run.Path))
		full = full || r.runs > 0 && i >= r.runs || r.size > 0 && size > r.size && i > 0
		old := r.age > 0 && now.Sub(beginOf(run)) > r.age
		begins := run.Err != nil && now.Sub(beginOf(run)) < beginning
		if (full || old) && run.State != record.Running && !begins {
			continue
		}
		for id := run.ID; id != "" && !stays[id]; id = byID[id].Run.Parent {
			stays[id] = true
		}
	}
	var errs []error
	for _, run := range runs {
		if !stays[run.ID] {
			errs = append(errs, store.Remove(run.ID))
		}
	}
	return errors.Join(errs...)
}

// sizeOf returns how many bytes the files below dir have.
func sizeOf(dir string) (n int64) {
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			if info, err := d.Info(); err == nil {
				n += info.Size()
			}
		}
		return nil
	})
	return n
}
