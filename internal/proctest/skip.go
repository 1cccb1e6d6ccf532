package proctest

import (
	"fmt"
	"os"
	"testing"
)

// Skip skips t, which lacks what the format says, or fails it under CI=true, where
// nothing may be lacking.
func Skip(t testing.TB, format string, args ...any) {
	t.Helper()
	why := fmt.Sprintf(format, args...)
	if os.Getenv("CI") == "true" {
		t.Fatal("CI has to run this test: " + why)
	}
	t.Skip("NOT TESTED: " + why)
}
