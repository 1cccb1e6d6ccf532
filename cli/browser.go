package cli

import (
	"cmp"
	"errors"
	"os"
	"os/exec"
	"runtime"
)

// openBrowser has the desktop, if there is one, show a URL. It does not wait for the
// browser, whose words nobody needs.
func openBrowser(url string) error {
	name, args, err := browserCommand(runtime.GOOS, os.Getenv)
	if err != nil {
		return err
	}
	cmd := exec.Command(name, append(args, url)...)
	if err := cmd.Start(); err != nil {
		return err
	}
	go func() { _ = cmd.Wait() }() // whatever becomes of it, the URL was printed
	return nil
}

var errNoDesktop = errors.New("there is no desktop")

// browserCommand returns the command that shows a URL on a system with such an
// environment. BROWSER names one of the user's own.
func browserCommand(goos string, getenv func(string) string) (name string, args []string, err error) {
	if own := getenv("BROWSER"); own != "" {
		return own, nil, nil
	}
	switch goos {
	case "darwin":
		return "open", nil, nil
	case "windows":
		return "rundll32", []string{"url.dll,FileProtocolHandler"}, nil
	}
	// Over ssh there is none, even if the machine has one.
	if cmp.Or(getenv("DISPLAY"), getenv("WAYLAND_DISPLAY")) == "" {
		return "", nil, errNoDesktop
	}
	return "xdg-open", nil, nil
}
