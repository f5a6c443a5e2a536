package store

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/uptrace/bun"

	"github.com/paybridge/paybridge/ports"
)

// claimable is where the rows of a kind are: their table, their key, and whose share they count against.
type claimable struct{ table, key, share string }

var claimables = map[ports.Kind]claimable{
	ports.KindOrder:   {"orders", "number", "app"},
	ports.KindPayment: {"payments", "number", "account"},
	ports.KindRefund:  {"refunds", "number", "account"},
	ports.KindInbox:   {"inbox", "id", "account"},

	ports.KindFulfilment: {"fulfilments", "number", "account"},

	ports.KindDelivery: {"deliveries", "order_number", "app"},
	ports.KindAlarm:    {"alarms", "id", "kind"},

	ports.KindStatement: {"statements", "id", "account"},
}

// unclaimed is the condition that nobody calls a provider for a row.
func (s *Store) unclaimed() *statement {
	return s.statement("(claimed_until is null or claimed_until < ").append(s.now()).add(")")
}

// Claim takes one row (ports.Store).
func (s *Store) Claim(ctx context.Context, kind ports.Kind, number string, hold time.Duration, now time.Time) (ports.Claim, error) {
	of := claimables[kind]
	claim := ports.Claim{Kind: kind, Number: number, Due: dueOfItsOwn(now, hold)}
	var until []int64
	q := s.statement("update "+of.table+" set claimed_until = ").append(s.now()).add(" + ?, due = ? where "+of.key+" = ? and ", hold.Microseconds(), claim.Due, number).
		add("(due = ? or ", claim.Due).append(s.unclaimed()).add(") returning claimed_until")
	rows, err := s.writes.query(ctx, q)
	if err := s.scan(ctx, &until, rows, err); err != nil {
		s.lost.remember(kind, claim.Due)
		return claim, failed(err, "claim %s %s", kind, number)
	}
	if len(until) == 1 {
		claim.Until = until[0]
		return claim, nil
	}
	there, err := s.read.NewSelect().Table(of.table).Where(of.key+" = ?", number).Exists(ctx)
	switch {
	case err != nil:
		return claim, failed(err, "claim %s %s", kind, number)
	case !there:
		return claim, fmt.Errorf("%s %s: %w", kind, number, ports.ErrNotFound)
	}
	return claim, fmt.Errorf("%s %s: %w", kind, number, ports.ErrClaimed)
}

// ClaimDue takes rows that are due (ports.Store): of each account its first, then of each its second, those that are
// claimed already counted in, so that one account's thousand slow rows do not keep another's one waiting.
func (s *Store) ClaimDue(ctx context.Context, kind ports.Kind, limit int, hold time.Duration, now time.Time) ([]ports.Claim, error) {
	if err := s.freeLost(ctx, kind, now); err != nil {
		return nil, err
	}
	of := claimables[kind]
	free := func() *statement { return s.statement("due <= ? and ", micros(now)).append(s.unclaimed()) }
	var numbers []string
	q := s.statement("select "+of.key+" from (select "+of.key+", due, "+of.share+" as share, row_number() over (partition by "+of.share+" order by due) as turn from "+of.table+" where ").
		append(free()).add(") as waiting left join (select "+of.share+" as share, count(*) as claimed from "+of.table+" where claimed_until >= ").append(s.now()).
		add(" group by "+of.share+") as busy on busy.share = waiting.share order by turn + coalesce(claimed, 0), due limit ?", limit)
	rows, err := s.reads.query(ctx, q)
	if err := s.scan(ctx, &numbers, rows, err); err != nil {
		return nil, failed(err, "look for due %ss", kind)
	}
	if len(numbers) == 0 {
		return nil, nil
	}
	due := dueOfItsOwn(now, hold)
	q = s.statement("update "+of.table+" set claimed_until = ").append(s.now()).add(" + ?, due = ? where "+of.key+" in (select "+of.key+" from "+of.table+" where "+of.key+" in (", hold.Microseconds(), due)
	for i, number := range numbers {
		q.comma(i).add("?", number)
	}
	q.add(") and (due = ? or ", due).append(free()).add(")")
	if s.postgres {
		q.add(" for update skip locked")
	}
	var taken []claimedRow
	rows, err = s.writes.query(ctx, q.add(") returning "+of.key+" as number, claimed_until as until"))
	if err := s.scan(ctx, &taken, rows, err); err != nil {
		s.lost.remember(kind, due)
		return nil, failed(err, "claim due %ss", kind)
	}
	slices.SortFunc(taken, func(a, b claimedRow) int { // as they were chosen; the database returns them as it likes
		return cmp.Compare(slices.Index(numbers, a.Number), slices.Index(numbers, b.Number))
	})
	claims := make([]ports.Claim, len(taken))
	for i, r := range taken {
		claims[i] = ports.Claim{Kind: kind, Number: r.Number, Until: r.Until, Due: due}
	}
	return claims, nil
}

// claimedRow is a row that ClaimDue took.
type claimedRow struct {
	Number string
	Until  int64
}

// dueOfItsOwn is the due time that a call sets on what it claims: when the claim has run out, and a part of a second later
// that no other call has. So a call that the driver runs twice takes the same rows again, and what was claimed by a call
// whose answer was lost can be told from all other claims.
func dueOfItsOwn(now time.Time, hold time.Duration) int64 {
	return micros(now.Add(hold)) + rand.Int64N(time.Second.Microseconds())
}

// lostClaims are the due times of calls whose answer was lost, of each kind. Nobody works on what they may have claimed.
type lostClaims struct {
	mu  sync.Mutex
	due map[ports.Kind][]int64
}

func (l *lostClaims) remember(kind ports.Kind, due ...int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.due == nil {
		l.due = map[ports.Kind][]int64{}
	}
	l.due[kind] = append(l.due[kind], due...)
}

func (l *lostClaims) take(kind ports.Kind) []int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	due := l.due[kind]
	delete(l.due, kind)
	return due
}

// freeLost makes what calls have claimed whose answer was lost due at once: else it would wait until the claims run out.
func (s *Store) freeLost(ctx context.Context, kind ports.Kind, now time.Time) error {
	lost := slices.DeleteFunc(s.lost.take(kind), func(due int64) bool { return due <= micros(now) }) // those are free
	if len(lost) == 0 {
		return nil
	}
	_, err := s.db.ExecContext(ctx, "update "+claimables[kind].table+" set claimed_until = null, due = ? where due in ? and claimed_until is not null", micros(now), bun.Tuple(lost))
	if err != nil {
		s.lost.remember(kind, lost...)
		return failed(err, "free %ss whose claim nobody knows", kind)
	}
	return nil
}

// Unclaim gives a claim back (ports.Store). A callback or a close may have made the row due meanwhile: that stays.
func (s *Store) Unclaim(ctx context.Context, c ports.Claim, due time.Time) error {
	of := claimables[c.Kind]
	_, err := s.db.ExecContext(ctx, "update "+of.table+" set claimed_until = null, due = case when due = ? then ? else due end where "+of.key+" = ? and claimed_until = ?",
		c.Due, dueOrNull(due), c.Number, c.Until)
	if err != nil {
		return failed(err, "give back %s %s", c.Kind, c.Number)
	}
	return nil
}

// NextDue is the earliest due time of any unclaimed row (ports.Store).
func (s *Store) NextDue(ctx context.Context) (time.Time, error) {
	q := s.statement("select due from (")
	for i, kind := range slices.Sorted(maps.Keys(claimables)) {
		if i > 0 {
			q.add(" union all ")
		}
		q.add("select min(due) as due from " + claimables[kind].table + " where due is not null and ").append(s.unclaimed())
	}
	var next []int64
	rows, err := s.reads.query(ctx, q.add(") as each_kind where due is not null order by due limit 1"))
	if err := s.scan(ctx, &next, rows, err); err != nil {
		return time.Time{}, failed(err, "look for the next due row")
	}
	if len(next) == 0 {
		return time.Time{}, nil
	}
	return fromMicros(next[0]), nil
}
