package sim

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// savePause is the least time between two writes of the state file: changes that come closer share one.
const savePause = 200 * time.Millisecond

// state is what is kept between runs. Undelivered callbacks and refunds under way go on from it.
type state struct {
	Time      time.Time               `json:"time"` // simulated, when it was written
	Trades    []Trade                 `json:"trades"`
	Refunds   []Refund                `json:"refunds"`
	Callbacks []Callback              `json:"callbacks"`
	Sent      []Sent                  `json:"sent"`
	Steps     map[string][]RefundStep `json:"refund_steps"` // by refund_id
	Spent     [][2]string             `json:"spent"`        // mchid and number of closed numbers that were never used

	MedIns         []MedIns                 `json:"med_ins,omitempty"`
	Insurance      []Insurance10            `json:"insurance_10,omitempty"`
	Authorizations map[string]Authorization `json:"authorizations,omitempty"`
	BureauRefunds  []BureauRefund           `json:"bureau_refunds,omitempty"`

	// SubMerchants are each partner's, those that came while it ran among them.
	SubMerchants map[string][]SeedSubMerchant `json:"sub_merchants,omitempty"`

	ReceiptLinks map[string]string   `json:"receipt_links,omitempty"`
	GoldPlans    map[string]GoldPlan `json:"gold_plans,omitempty"`
}

type stateFile struct {
	path    string
	changed chan struct{}
}

// openStateFile refuses a path that could not be written later.
func openStateFile(path string) (*stateFile, error) {
	if info, err := os.Stat(filepath.Dir(path)); err != nil || !info.IsDir() {
		return nil, fmt.Errorf("the state file %s needs an existing folder", path)
	}
	return &stateFile{path: path, changed: make(chan struct{}, 1)}, nil
}

func (f *stateFile) note() {
	select {
	case f.changed <- struct{}{}:
	default:
	}
}

// saveLoop writes after changes until ctx ends; Close writes the last time.
func (f *stateFile) saveLoop(ctx context.Context, snapshot func() state, log *slog.Logger) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-f.changed:
		}
		if err := f.save(snapshot()); err != nil {
			log.Error("the state was not saved; the next change tries again", "err", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(savePause):
		}
	}
}

// save replaces the file whole: a crash leaves the old one or the new one.
func (f *stateFile) save(st state) error {
	text, err := json.Marshal(st)
	if err != nil {
		return fmt.Errorf("encode the state: %w", err)
	}
	return writeWhole(f.path, text)
}

// writeWhole writes a private file beside its place, syncs it and renames it.
func writeWhole(path string, text []byte) error {
	raw := make([]byte, 8)
	_, _ = rand.Read(raw)
	temporary := path + "." + hex.EncodeToString(raw)
	file, err := os.OpenFile(temporary, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	_, err = file.Write(text)
	err = errors.Join(err, file.Sync(), file.Close())
	if err == nil {
		err = os.Rename(temporary, path)
	}
	if err != nil {
		_ = os.Remove(temporary)
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

func (f *stateFile) load() (state, error) {
	text, err := os.ReadFile(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return state{}, nil
	}
	if err != nil {
		return state{}, fmt.Errorf("read the state: %w", err)
	}
	var st state
	if err := json.Unmarshal(text, &st); err != nil {
		return state{}, fmt.Errorf("the state file %s does not read (%w): move it away to start empty", f.path, err)
	}
	return st, nil
}

func (s *Simulator) snapshot() state {
	l := s.Ledger()
	st := state{Time: s.Now(), Trades: l.Trades, Refunds: l.Refunds, Callbacks: l.Callbacks, Sent: l.Sent}
	s.mu.Lock()
	defer s.mu.Unlock()
	st.SubMerchants = map[string][]SeedSubMerchant{}
	for id, m := range s.world.merchants {
		if len(m.SubMerchants) > 0 {
			st.SubMerchants[id] = slices.Clone(m.SubMerchants)
		}
	}
	st.ReceiptLinks, st.GoldPlans = maps.Clone(s.world.receiptLinks), maps.Clone(s.world.goldPlans)
	st.MedIns, st.BureauRefunds, st.Insurance = l.MedIns, l.Bureau, l.Insurance
	st.Authorizations = map[string]Authorization{}
	for number, a := range s.world.bureau.authorizations {
		st.Authorizations[number] = *a
	}
	st.Steps = map[string][]RefundStep{}
	for id, steps := range s.world.steps {
		st.Steps[id] = slices.Clone(steps)
	}
	for key := range s.world.spent {
		st.Spent = append(st.Spent, [2]string{key.mchID, key.number})
	}
	return st
}

// restore takes up what an earlier run left: nothing is under way yet, so no lock is needed.
func (s *Simulator) restore() error {
	st, err := s.store.load()
	if err != nil {
		return err
	}
	if st.Time.After(s.Now()) {
		if err := s.clock.set(st.Time); err != nil && !errors.Is(err, ErrForeignClock) {
			return err
		}
	}
	w := s.world
	for id, subs := range st.SubMerchants {
		m := w.merchants[id]
		for _, sub := range subs {
			if m != nil && m.sub(sub.MchID) == nil && !slices.ContainsFunc(sub.AppIDs, func(app string) bool { return w.apps[app] == nil }) {
				m.SubMerchants = append(m.SubMerchants, sub)
			}
		}
	}
	maps.Copy(w.receiptLinks, st.ReceiptLinks)
	maps.Copy(w.goldPlans, st.GoldPlans)
	for _, t := range st.Trades {
		if w.merchants[t.MchID] == nil {
			return fmt.Errorf("the state file %s has a trade of merchant %s, which the seed does not have: add it or move the file away",
				s.store.path, t.MchID)
		}
		w.keepTrade(&t)
	}
	for _, r := range st.Refunds {
		w.keepRefund(&r)
		w.steps[r.RefundID] = st.Steps[r.RefundID]
		if r.Status == RefundProcessing {
			s.planRefund(&r)
		}
	}
	for _, i := range st.Insurance {
		w.insurance = append(w.insurance, &i)
	}
	for _, m := range st.MedIns {
		w.keepMedIns(&m)
	}
	for number, a := range st.Authorizations {
		w.bureau.authorizations[number] = &a
	}
	w.bureau.refunds = st.BureauRefunds
	for _, c := range st.Callbacks {
		w.callbacks = append(w.callbacks, &c)
		if !c.NextAt.IsZero() {
			s.planAttempt(&c, w.epoch)
		}
	}
	for _, n := range st.Sent {
		w.numbers[sentKey{n.Kind, n.MchID, n.Number}] = &n
		w.sent = append(w.sent, &n)
	}
	for _, key := range st.Spent {
		w.spent[tradeKey{key[0], key[1]}] = true
	}
	return nil
}
