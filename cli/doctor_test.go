package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestDoctorGolden(t *testing.T) {
	findings := []finding{
		{Check: "processors", State: doctorOK, Value: "2"},
		{"memory", doctorWarn, "1 MiB", "Little.", "more"},
	}
	bad := append(findings[:2:2], finding{"temporary files", doctorBad, "/nowhere: no such file", "Needed <now>.", ""})
	for _, c := range []struct {
		golden string
		all    []finding
		json   bool
		code   int
	}{{"doctor.txt", findings, false, exitOK}, {"doctor.json", bad, true, exitUsage}} {
		var out bytes.Buffer
		err := (&app{Streams: Streams{Out: &out}}).doctor(c.all, c.json)
		code := exitOK
		if e, ok := errors.AsType[*exitError](err); ok {
			code = e.code
		}
		want, readErr := os.ReadFile(filepath.Join("testdata", "golden", c.golden))
		if readErr != nil {
			t.Fatal(readErr)
		}
		if out.String() != string(want) || code != c.code {
			t.Errorf("%s: exit code %d, printed\n%s", c.golden, code, out.String())
		}
	}
}

// A directory that is not there is bad if it must be, and made later if it may be.
func TestDoctorWritable(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "none", "such")
	if f := writable("temporary files", dir, "TMPDIR", "What."); f.State != doctorBad || f.Try == "" {
		t.Errorf("%+v", f)
	}
	if f := writable("state directory", dir, "XDG_STATE_HOME", "What."); f.State == doctorBad {
		t.Errorf("%+v", f)
	}
	left, err := filepath.Glob(filepath.Join(filepath.Dir(filepath.Dir(dir)), "*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestDoctorHere(t *testing.T) {
	o := invoke(t, "", "doctor", "--json")
	var got struct {
		Schema, State string
		Checks        []finding
	}
	if err := json.Unmarshal([]byte(o.out), &got); err != nil || got.Schema != doctorSchema || len(got.Checks) < 8 {
		t.Fatalf("%v: %s", err, o.out)
	}
	for _, f := range got.Checks {
		if f.Check == "" || f.Value == "" || f.State != doctorOK && f.State != doctorWarn && f.State != doctorBad {
			t.Errorf("%+v", f)
		}
	}
}
