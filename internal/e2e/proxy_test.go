package e2e

import (
	"errors"
	"io"
	"net"
	"net/url"
	"sync"
	"testing"
)

// proxy stands between a gateway and its PostgreSQL, so that a test can take the database away.
type proxy struct {
	listener net.Listener
	server   string // host:port of the real one

	mu    sync.Mutex
	away  bool
	conns map[net.Conn]bool
}

// behindProxy is the same database, reached through a proxy.
func behindProxy(t *testing.T, db database) (*proxy, database) {
	t.Helper()
	dsn, err := url.Parse(db.place)
	if err != nil {
		t.Fatal("the PostgreSQL DSN of the tests is no URL") // its error would show a password
	}
	var listen net.ListenConfig
	l, err := listen.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: l, server: dsn.Host, conns: map[net.Conn]bool{}}
	var serving sync.WaitGroup
	serving.Go(func() { p.serve(&serving) })
	t.Cleanup(func() {
		_ = l.Close()
		p.cut()
		serving.Wait()
	})
	dsn.Host = l.Addr().String()
	return p, database{db.driver, dsn.String()}
}

// cut breaks every connection, as a database that is restarted does.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		_ = c.Close()
	}
}

// takeAway cuts, and breaks every new connection too, until giveBack.
func (p *proxy) takeAway() { p.setAway(true); p.cut() }

func (p *proxy) giveBack() { p.setAway(false) }

func (p *proxy) setAway(away bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.away = away
}

func (p *proxy) serve(serving *sync.WaitGroup) {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return // the test has ended
		}
		serving.Go(func() {
			defer func() { _ = client.Close() }()
			server, err := net.Dial("tcp", p.server)
			if err != nil {
				return
			}
			if err := p.keep(client, server); err != nil {
				_ = server.Close()
				return
			}
			defer p.forget(client, server)
			go func() {
				_, _ = io.Copy(server, client)
				_ = server.Close()
			}()
			_, _ = io.Copy(client, server)
		})
	}
}

func (p *proxy) keep(conns ...net.Conn) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.away {
		return errors.New("the database is away")
	}
	for _, c := range conns {
		p.conns[c] = true
	}
	return nil
}

func (p *proxy) forget(conns ...net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		_ = c.Close()
		delete(p.conns, c)
	}
}
