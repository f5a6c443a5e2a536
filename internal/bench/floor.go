package main

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"fmt"
	"strings"
	"time"

	"github.com/uptrace/bun"
)

// signatures is what no program can leave out of a payment: the request's signature, the hand-off's, and the
// verification of WeChat's answer, all RSA-2048 over SHA-256. Whose key it is makes no difference to what it costs.
type signatures struct {
	key            *rsa.PrivateKey
	digest, signed []byte
}

func newSignatures(key *rsa.PrivateKey) (signatures, error) {
	if key.N.BitLen() != 2048 {
		return signatures{}, fmt.Errorf("the merchant's key has %d bits, want 2048", key.N.BitLen())
	}
	digest := sha256.Sum256([]byte("POST\n/v3/pay/transactions/jsapi\n"))
	signed, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, digest[:])
	return signatures{key, digest[:], signed}, err
}

// measure is the processor time of two signatures and one verification, made by as many callers at once as payments are:
// two threads of one core slow each other down, and should do so on both sides of the comparison.
func (s signatures) measure(ctx context.Context, callers int, most time.Duration) (time.Duration, error) {
	cpu := ownCPU()
	n, _, err := repeat(ctx, callers, most, func(context.Context, int, int) error {
		for range 2 {
			if _, err := rsa.SignPKCS1v15(rand.Reader, s.key, crypto.SHA256, s.digest); err != nil {
				return err
			}
		}
		return rsa.VerifyPKCS1v15(&s.key.PublicKey, crypto.SHA256, s.digest, s.signed)
	})
	if err != nil {
		return 0, err
	}
	return (ownCPU() - cpu) / time.Duration(n), nil
}

// repeat lets each caller do f again and again, for that long, and says how often it was done and how long it took.
func repeat(ctx context.Context, callers int, most time.Duration, f func(ctx context.Context, caller, i int) error) (n int, took time.Duration, err error) {
	began, done := time.Now(), make([]int, callers)
	err = each(ctx, callers, callers, func(ctx context.Context, caller int) error {
		for ; time.Since(began) < most || done[caller] == 0; done[caller]++ {
			if err := f(ctx, caller, done[caller]); err != nil {
				return err
			}
		}
		return nil
	})
	for _, d := range done {
		n += d
	}
	return n, time.Since(began), err
}

// bareRow is about as large as a payment's row.
type bareRow struct {
	bun.BaseModel `bun:"table:bench_bare"`

	Number  string `bun:",pk"`
	Content string
	State   string
}

func makeBareTable(ctx context.Context, db *bun.DB) error {
	_, err := db.NewCreateTable().Model((*bareRow)(nil)).Exec(ctx)
	return err
}

var content = strings.Repeat("0123456789abcdef", 64)

// bare is the least that any store does for a payment: one transaction that inserts a row and updates it, by bun, with
// the gateway's own driver and settings, as many at once as there are callers. prefix keeps rounds apart.
func bare(ctx context.Context, db *bun.DB, callers int, prefix string, most time.Duration) (rate float64, used time.Duration, err error) {
	cpu := ownCPU()
	n, took, err := repeat(ctx, callers, most, func(ctx context.Context, caller, i int) error {
		row := bareRow{Number: fmt.Sprintf("%s-%d-%d", prefix, caller, i), Content: content, State: "created"}
		return db.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
			if _, err := tx.NewInsert().Model(&row).Exec(ctx); err != nil {
				return err
			}
			_, err := tx.NewUpdate().Model(&row).Set("state = ?", "pending").Where("number = ?", row.Number).Where("state = ?", row.State).Exec(ctx)
			return err
		})
	})
	if err != nil {
		return 0, 0, err
	}
	return float64(n) / took.Seconds(), (ownCPU() - cpu) / time.Duration(n), nil
}
