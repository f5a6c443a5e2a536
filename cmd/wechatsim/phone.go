package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/paybridge/paybridge/plugins/wechat/sim"
	"github.com/paybridge/paybridge/plugins/wechat/sim/phone"
)

// phoneFile is what --phone names: what the simulated phone opens.
type phoneFile struct {
	// Sites are the H5 sites and the servers of wx.request, each by its public address as scheme://host[:port]. Upstream is where
	// it listens, where that is elsewhere.
	Sites []struct {
		Origin   string `json:"origin"`
		Upstream string `json:"upstream,omitempty"`
	} `json:"sites"`
	OfficialAccounts []phone.OfficialAccount `json:"official_accounts"`
	MiniPrograms     []struct {
		AppID string `json:"app_id"`
		Name  string `json:"name"`
		Dir   string `json:"dir"` // the folder of app.json; a relative one begins at the file's
	} `json:"mini_programs"`
}

func readPhoneFile(path string) (f phoneFile, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return f, fmt.Errorf("read what the phone opens: %w", err)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&f); err != nil {
		return f, fmt.Errorf("%s: %w", path, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return f, fmt.Errorf("%s: there is more after its closing brace", path)
	}
	if len(f.Sites) == 0 {
		return f, fmt.Errorf(`%s: "sites" names no H5 site`, path)
	}
	for i, m := range f.MiniPrograms {
		if !filepath.IsAbs(m.Dir) {
			f.MiniPrograms[i].Dir = filepath.Join(filepath.Dir(path), m.Dir)
		}
		if _, err := phone.Files(os.DirFS(f.MiniPrograms[i].Dir)); err != nil {
			return f, fmt.Errorf("%s: the mini program %s in %s: %w", path, m.AppID, f.MiniPrograms[i].Dir, err)
		}
	}
	return f, nil
}

// handset is the phone with the proxies in front of its sites.
type handset struct {
	*phone.Phone
	url     string
	proxies []*http.Server
}

// openPhone makes the phone that is served at /phone/ of a listener. Its proxies listen on free ports of the same host; to the
// browser all of it is localhost, and so one site.
func openPhone(ctx context.Context, path string, s *sim.Simulator, at net.Listener, failed chan<- error) (_ *handset, err error) {
	f, err := readPhoneFile(path)
	if err != nil {
		return nil, err
	}
	_, port, err := net.SplitHostPort(at.Addr().String())
	if err != nil {
		return nil, err
	}
	h := &handset{url: "http://localhost:" + port + "/phone"}
	var listeners []net.Listener
	defer func() {
		for _, l := range listeners {
			if err != nil {
				err = errors.Join(err, l.Close())
			}
		}
	}()
	o := phone.Options{URL: h.url, WeChat: phone.Simulated(s), OfficialAccounts: f.OfficialAccounts, OpenWeixin: s.BaseURL(), InsuranceAppID: sim.InsuranceAppID}
	for _, m := range f.MiniPrograms {
		o.MiniPrograms = append(o.MiniPrograms, phone.MiniProgram{AppID: m.AppID, Name: m.Name, Files: os.DirFS(m.Dir)})
	}
	for _, named := range f.Sites {
		site := phone.Site{Origin: named.Origin, Upstream: named.Upstream}
		if site.Upstream == "" {
			site.Upstream = site.Origin
		}
		for _, address := range []*string{&site.OfficialAccountURL, &site.MiniProgramURL, &site.BrowserURL} {
			l, err := new(net.ListenConfig).Listen(ctx, "tcp", "localhost:0")
			if err != nil {
				return nil, fmt.Errorf("listen for the phone's view of %s: %w", site.Origin, err)
			}
			listeners = append(listeners, l)
			_, port, err := net.SplitHostPort(l.Addr().String())
			if err != nil {
				return nil, err
			}
			*address = "http://localhost:" + port
		}
		o.Sites = append(o.Sites, site)
	}
	if h.Phone, err = phone.New(o); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	for i, site := range o.Sites {
		for j, mode := range []phone.Mode{phone.ModeOfficialAccount, phone.ModeMiniProgram, phone.ModeBrowser} {
			proxy, err := h.Proxy(site, mode)
			if err != nil {
				return nil, err
			}
			server := &http.Server{Handler: proxy, ReadHeaderTimeout: 10 * time.Second}
			h.proxies = append(h.proxies, server)
			go serveOn(listeners[3*i+j], server, failed)
		}
	}
	listeners = nil
	return h, nil
}

func (h *handset) close() (err error) {
	for _, server := range h.proxies {
		err = errors.Join(err, server.Close()) // a frame that is still loading has no one to see it
	}
	return err
}
