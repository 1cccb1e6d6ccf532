package asyncio_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"testing"
	"time"

	"github.com/go-braid/braid/asyncio"
	"github.com/go-braid/braid/strand"
)

// certificate returns the configurations of a server called localhost, and of a client
// that trusts it.
func certificate(t *testing.T) (server, client *tls.Config) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(time.Hour),
		DNSNames:              []string{"localhost"},
		IPAddresses:           []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA:                  true,
		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}}},
		&tls.Config{RootCAs: roots}
}

func TestTLS(t *testing.T) {
	serverConfig, clientConfig := certificate(t)
	var trailing string
	var serverErr error
	s := &asyncio.Server{Handler: func(ctx context.Context, c net.Conn) {
		serverErr = func() error {
			tc, err := asyncio.TLSServer(ctx, c.(*asyncio.Conn), serverConfig)
			if err != nil {
				return err
			}
			defer tc.Close()
			buf := make([]byte, 5)
			if _, err := io.ReadFull(tc, buf); err != nil {
				return err
			}
			if _, err := tc.Write(buf); err != nil {
				return err
			}
			// The end of our stream; what the client still sends is read.
			if err := tc.CloseWrite(); err != nil {
				return err
			}
			rest, err := io.ReadAll(tc)
			trailing = string(rest)
			return err
		}()
	}}
	serving(t, s, func(v *visit) error {
		c, err := asyncio.DialTLS(v.ctx, "tcp", v.addr, clientConfig)
		if err != nil {
			return err
		}
		defer c.Close()
		if got, err := ask(c, "hello"); err != nil || got != "hello" {
			return fmt.Errorf("got %q, %v", got, err)
		}
		if _, err := c.Read(make([]byte, 1)); err != io.EOF {
			return fmt.Errorf("Read after the server's end: %v, want EOF", err)
		}
		if _, err := io.WriteString(c, "trailing"); err != nil {
			return err
		}
		if err := c.Close(); err != nil {
			return err
		}
		s.Shutdown()
		if err := v.serving.Join(v.ctx); err != nil {
			return err
		}
		if serverErr != nil || trailing != "trailing" {
			return fmt.Errorf("the server read %q, %v", trailing, serverErr)
		}
		return nil
	})
}

func TestTLSWrongName(t *testing.T) {
	serverConfig, clientConfig := certificate(t)
	s := &asyncio.Server{Handler: func(ctx context.Context, c net.Conn) {
		_, _ = asyncio.TLSServer(ctx, c.(*asyncio.Conn), serverConfig)
	}}
	serving(t, s, func(v *visit) error {
		clientConfig.ServerName = "example.org"
		_, err := asyncio.DialTLS(v.ctx, "tcp", v.addr, clientConfig)
		if e := (*tls.CertificateVerificationError)(nil); !errors.As(err, &e) {
			return fmt.Errorf("DialTLS: %v, want a CertificateVerificationError", err)
		}
		s.Shutdown()
		return v.serving.Join(v.ctx)
	})
}

// TestHandshakeCut has a peer that says nothing: the context ends the handshake, be it
// ours or that of package tls, whose goroutine closes the connection from outside.
func TestHandshakeCut(t *testing.T) {
	_, clientConfig := certificate(t)
	clientConfig.ServerName = "localhost"
	for name, shake := range map[string]func(ctx context.Context, c *asyncio.Conn) error{
		"ours": func(ctx context.Context, c *asyncio.Conn) error {
			_, err := asyncio.TLSClient(ctx, c, clientConfig)
			return err
		},
		"theirs": func(ctx context.Context, c *asyncio.Conn) error {
			return tls.Client(c, clientConfig).HandshakeContext(ctx)
		},
	} {
		t.Run(name, func(t *testing.T) {
			withPair(t, func(ctx context.Context, client, server *asyncio.Conn) error {
				sub, cancel := context.WithCancel(ctx)
				defer cancel()
				shaking := asyncio.Go(ctx, func(context.Context) error { return shake(sub, client) })
				// The hello has come: the client waits for the answer.
				if _, err := server.Read(make([]byte, 1)); err != nil {
					return err
				}
				cancel()
				if err := shaking.Join(ctx); !errors.Is(err, context.Canceled) {
					return fmt.Errorf("the handshake: %v, want Canceled", err)
				}
				if _, err := client.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
					return fmt.Errorf("Write after the handshake has failed: %v, want ErrClosed", err)
				}
				return nil
			})
		})
	}
	t.Run("deadline", func(t *testing.T) {
		withPair(t, func(ctx context.Context, client, server *asyncio.Conn) error {
			sub, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
			defer cancel()
			_, err := asyncio.TLSClient(sub, client, clientConfig)
			if e, ok := err.(net.Error); !ok || !e.Timeout() || !errors.Is(err, context.DeadlineExceeded) {
				return fmt.Errorf("TLSClient: %v (%T), want a timeout", err, err)
			}
			return strand.Yield(ctx)
		})
	})
}
