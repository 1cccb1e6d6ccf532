package dashboard

import (
	"crypto/rand"
	"crypto/subtle"
	"net"
	"net/http"
	"strings"
)

// policy is the content security policy of the page.
const policy = "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'"

// newToken returns what nobody can guess.
func newToken() string { return rand.Text() }

// guard lets only those through to next who may look.
func (s *Server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store") // assets say otherwise
		if why := s.refuse(r); why != "" {
			http.Error(w, why, http.StatusForbidden)
			return
		}
		s.once.Do(func() { close(s.looked) })
		next.ServeHTTP(w, r)
	})
}

// refuse says why a request is not answered, or nothing.
func (s *Server) refuse(r *http.Request) string {
	// A name that an attacker owns may resolve to 127.0.0.1, but the browser still says it.
	if !isLoopback(r.Host) {
		return "this server answers to 127.0.0.1 and localhost, and to no other name"
	}
	if origin := r.Header.Get("Origin"); origin != "" && origin != "http://"+r.Host {
		return "a page of another site may not ask"
	}
	start := r.URL.Path == "/" && (r.Method == http.MethodGet || r.Method == http.MethodHead)
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "none", "same-origin":
	default:
		// A link elsewhere may lead here, if it has the token.
		if !start || r.Header.Get("Sec-Fetch-Mode") != "navigate" {
			return "a page of another site may not ask"
		}
	}
	if !s.known(r, start) {
		return "this page needs its token: open the whole address that braid has printed"
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead && r.Header.Get("X-Braid") != "1" {
		return "a command needs the header X-Braid: 1"
	}
	return ""
}

// known reports whether a request has the cookie, or the token on its way to the start.
func (s *Server) known(r *http.Request, start bool) bool {
	for _, c := range r.CookiesNamed(s.cookie) {
		if s.isToken(c.Value) {
			return true
		}
	}
	return start && s.isToken(r.URL.Query().Get("token"))
}

func (s *Server) isToken(t string) bool {
	return subtle.ConstantTimeCompare([]byte(t), []byte(s.token)) == 1
}

// isLoopback reports whether the Host of a request is this machine. The port may be
// another one than ours, if it is forwarded.
func isLoopback(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	return host == "127.0.0.1" || host == "::1" || strings.EqualFold(host, "localhost")
}

// serveIndex serves the page. Who comes with the token gets the cookie with it, and is not
// sent on: a browser that follows a link from elsewhere would not send the cookie there.
func (s *Server) serveIndex(w http.ResponseWriter, r *http.Request) {
	if s.isToken(r.URL.Query().Get("token")) {
		http.SetCookie(w, &http.Cookie{
			Name: s.cookie, Value: s.token, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode,
		})
	}
	s.assets.serve(w, r, "index.html")
}

func (s *Server) serveAsset(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/favicon.ico" {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	s.assets.serve(w, r, strings.TrimPrefix(r.URL.Path, "/"))
}
