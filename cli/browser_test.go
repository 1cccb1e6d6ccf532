package cli

import (
	"errors"
	"strings"
	"testing"
)

func TestBrowserCommand(t *testing.T) {
	for _, c := range []struct {
		goos string
		env  map[string]string
		want string
	}{
		{"linux", map[string]string{"DISPLAY": ":0"}, "xdg-open"},
		{"linux", map[string]string{"WAYLAND_DISPLAY": "wayland-0"}, "xdg-open"},
		{"freebsd", map[string]string{"DISPLAY": ":0"}, "xdg-open"},
		{"linux", map[string]string{"BROWSER": "firefox"}, "firefox"},
		{"linux", map[string]string{"SSH_CONNECTION": "x"}, ""},
		{"darwin", nil, "open"},
		{"windows", nil, "rundll32 url.dll,FileProtocolHandler"},
	} {
		name, args, err := browserCommand(c.goos, func(name string) string { return c.env[name] })
		if got := strings.Join(append([]string{name}, args...), " "); got != c.want {
			t.Errorf("%s with %v: %q, want %q", c.goos, c.env, got, c.want)
		}
		if (err != nil) != (c.want == "") || err != nil && !errors.Is(err, errNoDesktop) {
			t.Errorf("%s with %v: error %v", c.goos, c.env, err)
		}
	}
}
