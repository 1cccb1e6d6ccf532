package tasks

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
)

// A FetchError says why [Fetch] failed.
type FetchError struct {
	URL    string // as it was given, without the password if there was one
	Status int    // the status of the response, 400 or more; 0 if there was no response, or not all of it
	Err    error  // what was wrong
	Hint   string // what to do next
}

// Error names the URL, says what was wrong, and what to do next.
func (e *FetchError) Error() string {
	return fmt.Sprintf("%s: %v: %s", display(e.URL), e.Err, e.Hint)
}

// Unwrap returns e.Err.
func (e *FetchError) Unwrap() error { return e.Err }

var errRedirects = fmt.Errorf("more than %d redirects", maxRedirects)

type schemeError struct{ scheme string }

func (e *schemeError) Error() string {
	if e.scheme == "" {
		return "it does not begin with http:// or https://"
	}
	return fmt.Sprintf("it begins with %s:, not with http:// or https://", display(e.scheme))
}

// newStatusError makes an error of a response with a status of 400 or more.
func newStatusError(t target, resp *http.Response) error {
	hint := "ask the server's owner"
	switch code := resp.StatusCode; {
	case code == http.StatusUnauthorized, code == http.StatusForbidden, code == http.StatusProxyAuthRequired:
		hint = "it asks for permission: a user and password can stand in the URL, as https://USER:PASSWORD@HOST/"
	case code == http.StatusNotFound, code == http.StatusGone:
		hint = "check the path"
	case code == http.StatusTooManyRequests, code == http.StatusServiceUnavailable:
		hint = "run fewer tasks at once, and retry them later"
		if after := resp.Header.Get("Retry-After"); after != "" && len(after) < 40 {
			hint += "; the server says when: Retry-After: " + display(after)
		}
	case code >= 500:
		hint = "the fault is the server's: retry later"
	}
	status := fmt.Sprintf("status %d %s", resp.StatusCode, http.StatusText(resp.StatusCode))
	return &FetchError{URL: t.shown, Status: resp.StatusCode, Err: errors.New(strings.TrimSpace(status)), Hint: hint}
}

// newFetchError makes an error of what package net/http said.
func newFetchError(t target, err error) error {
	e := &FetchError{URL: t.shown, Err: err}
	if outer, ok := errors.AsType[*url.Error](err); ok {
		e.Err = outer.Err
		if outer.URL != t.Redacted() {
			e.Err = fmt.Errorf("redirected to %s: %w", display(outer.URL), outer.Err)
		}
	}
	e.Hint = hintFor(err)
	return e
}

// hintFor tells network failures apart. The order matters: those that have a
// narrower name come first.
func hintFor(err error) string {
	var scheme *schemeError
	var dns *net.DNSError
	var authority x509.UnknownAuthorityError
	var hostname x509.HostnameError
	var invalid x509.CertificateInvalidError
	var certificate *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var alert tls.AlertError
	var timeout net.Error
	switch {
	case errors.As(err, &scheme):
		return "the server sends on to what fetch cannot ask"
	case errors.Is(err, errRedirects):
		return "the server may send round in circles: look at its answers with curl -IL"
	case errors.As(err, &dns) && dns.IsNotFound:
		return "unknown host: check its name"
	case errors.As(err, &dns):
		return "the name server does not answer as it should: check the network, or retry later"
	case errors.Is(err, http.ErrSchemeMismatch), errors.As(err, &record):
		return "TLS failed, as the server does not speak it at this port: use http://, or another port"
	case errors.As(err, &hostname):
		return "TLS failed, as the server's certificate is for another name: check the name of the host"
	case errors.As(err, &authority):
		return "TLS failed, as this system does not know who signed the server's certificate: add that authority to the system's, or name a file that has it in SSL_CERT_FILE"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "TLS failed, as the server's certificate is out of date: check the clock of this machine, or ask the server's owner"
	case errors.As(err, &certificate), errors.As(err, &alert):
		return "TLS failed: ask the server's owner"
	case errors.Is(err, connRefused):
		return "nothing listens there: check the port, and that the server runs"
	case errors.Is(err, hostUnreachable), errors.Is(err, netUnreachable):
		return "there is no way to the host: check the network"
	case errors.As(err, &timeout) && timeout.Timeout():
		return "timeout, the host does not answer: check its name and the network, or retry later"
	case errors.Is(err, connReset), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the server broke off: retry, with fewer tasks at once if it stays so"
	}
	return "check the URL and the network, or retry"
}
