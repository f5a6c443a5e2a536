package store

import (
	"context"
	"strings"
	"time"

	"github.com/paybridge/paybridge/ports"
)

// What only a running gateway's database can tell about an account: it proves what no call to the provider does.

// EchoArrived tells whether the provider's notice "self_test.echo" of that id has come to the account.
func (s *Store) EchoArrived(ctx context.Context, provider, account, id string) (bool, error) {
	n, err := s.read.NewSelect().Table("inbox").Where("number = ?", id).Where("verdict = 'notice'").Where("cause = 'self_test.echo'").
		Where("provider = ?", provider).Where("account = ?", account).Count(ctx)
	if err != nil {
		return false, failed(err, "look for echo %s", id)
	}
	return n > 0, nil
}

// Refused counts, by cause, the messages to an account that were not believed since the minute of then.
func (s *Store) Refused(ctx context.Context, provider, account string, since time.Time) (map[ports.RefuseCause]int, error) {
	var rows []struct {
		Cause string
		Total int
	}
	err := s.read.NewSelect().Table("refused_notifications").ColumnExpr("cause, sum(count) as total").Where("provider = ?", provider).
		Where("account = ?", account).Where("minute >= ?", micros(since.Truncate(time.Minute))).Group("cause").Scan(ctx, &rows)
	if err != nil {
		return nil, failed(err, "count the refused messages of account %s", account)
	}
	all := map[ports.RefuseCause]int{}
	for _, r := range rows {
		all[ports.RefuseCause(r.Cause)] = r.Total
	}
	return all, nil
}

const (
	// longestWait is more than the longest time until an unfinished row is looked at again, a day. An order's is its life, a fulfilment's its
	// deadline.
	longestWait = 25 * time.Hour
)

// Overdue counts rows that nobody looks at (ports.Store).
func (s *Store) Overdue(ctx context.Context, now time.Time, after time.Duration) (overdue, tooLate map[ports.Kind]int, err error) {
	overdue, tooLate = map[ports.Kind]int{}, map[ports.Kind]int{}
	for kind, of := range claimables {
		n, err := s.count(ctx, s.statement("select count(*) from "+of.table+" where due < ? and ", micros(now.Add(-after))).append(s.unclaimed()))
		if err != nil {
			return nil, nil, failed(err, "count what is overdue in %s", of.table)
		}
		if n > 0 {
			overdue[kind] = n
		}
		if kind == ports.KindOrder || kind == ports.KindFulfilment {
			continue
		}
		longest := longestWait
		if kind == ports.KindStatement { // planned as the day begins, and due at ten the next morning
			longest += 12 * time.Hour
		}
		if n, err = s.count(ctx, s.statement("select count(*) from "+of.table+" where due > ?", micros(now.Add(longest)))); err != nil {
			return nil, nil, failed(err, "count what is due too late in %s", of.table)
		}
		if n > 0 {
			tooLate[kind] = n
		}
	}
	return overdue, tooLate, nil
}

func (s *Store) count(ctx context.Context, q *statement) (int, error) {
	var n []int
	rows, err := s.reads.query(ctx, q)
	if err := s.scan(ctx, &n, rows, err); err != nil || len(n) == 0 {
		return 0, err
	}
	return n[0], nil
}

// paidSample is how many of an account's payments are looked at for an app id.
const paidSample = 1000

// PaidWith tells whether one of some payments of an account that succeeded was made with the app id. false proves nothing.
func (s *Store) PaidWith(ctx context.Context, account, appID string) (bool, error) {
	var routes []string
	err := s.read.NewSelect().Table("payments").Column("route").Where("account = ?", account).Where("state = 'succeeded'").
		Limit(paidSample).Scan(ctx, &routes)
	if err != nil {
		return false, failed(err, "look for payments of account %s", account)
	}
	want, err := toJSON(struct {
		AppID string `json:"appid"`
	}{appID})
	if err != nil {
		return false, err
	}
	want = strings.Trim(want, "{}")
	for _, route := range routes {
		if strings.Contains(route, want+",") {
			return true, nil
		}
	}
	return false, nil
}
