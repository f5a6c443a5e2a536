package main

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/uptrace/bun"
)

// signatures is what no program can leave out of a payment: the request's signature, the hand-off's, and the
// verification of WeChat's answer, all RSA-2048 over SHA-256.
type signatures struct {
	own    *rsa.PrivateKey
	wechat *rsa.PublicKey
	digest []byte
	signed []byte // by the own key: what a verification costs does not depend on whose it is
}

func newSignatures(own *rsa.PrivateKey, publicPEM string) (signatures, error) {
	block, _ := pem.Decode([]byte(publicPEM))
	if block == nil {
		return signatures{}, errors.New("WeChat's public key is no PEM")
	}
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return signatures{}, err
	}
	public, ok := parsed.(*rsa.PublicKey)
	if !ok || public.N.BitLen() != 2048 || own.N.BitLen() != 2048 {
		return signatures{}, errors.New("the keys are not RSA-2048")
	}
	digest := sha256.Sum256([]byte("POST\n/v3/pay/transactions/jsapi\n"))
	s := signatures{own: own, wechat: &own.PublicKey, digest: digest[:]}
	s.signed, err = rsa.SignPKCS1v15(rand.Reader, own, crypto.SHA256, s.digest)
	return s, err
}

// measure is the processor time of two signatures and one verification.
func (s signatures) measure(most time.Duration) (time.Duration, error) {
	began, used, n := time.Now(), ownCPU(), 0
	for ; time.Since(began) < most; n++ {
		for range 2 {
			if _, err := rsa.SignPKCS1v15(rand.Reader, s.own, crypto.SHA256, s.digest); err != nil {
				return 0, err
			}
		}
		if err := rsa.VerifyPKCS1v15(s.wechat, crypto.SHA256, s.digest, s.signed); err != nil {
			return 0, err
		}
	}
	return (ownCPU() - used) / time.Duration(n), nil
}

// bareRow is about as large as a payment's row.
type bareRow struct {
	bun.BaseModel `bun:"table:bench_bare"`

	Number  string `bun:",pk"`
	Content string
	State   string
	Due     int64
}

func makeBareTable(ctx context.Context, db *bun.DB) error {
	_, err := db.NewCreateTable().Model((*bareRow)(nil)).Exec(ctx)
	return err
}

var content = strings.Repeat("0123456789abcdef", 64)

// bare is the least that any store does for a payment: one transaction that inserts a row and updates it, by bun, with
// the gateway's own driver and settings, as many at once as there are callers. prefix keeps rounds apart.
func bare(ctx context.Context, db *bun.DB, callers int, prefix string, most time.Duration) (rate float64, used time.Duration, err error) {
	began, cpu := time.Now(), ownCPU()
	done := make([]int, callers)
	err = each(ctx, callers, callers, func(ctx context.Context, caller int) error {
		for ; time.Since(began) < most; done[caller]++ {
			row := bareRow{Number: fmt.Sprintf("%s-%d-%d", prefix, caller, done[caller]), Content: content, State: "created", Due: began.UnixMicro()}
			err := db.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
				if _, err := tx.NewInsert().Model(&row).Exec(ctx); err != nil {
					return err
				}
				_, err := tx.NewUpdate().Model(&row).Set("state = ?", "pending").Where("number = ?", row.Number).Where("state = ?", "created").Exec(ctx)
				return err
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	took, n := time.Since(began), 0
	for _, d := range done {
		n += d
	}
	if err != nil || n == 0 {
		return 0, 0, errors.Join(err, ctx.Err())
	}
	return float64(n) / took.Seconds(), (ownCPU() - cpu) / time.Duration(n), nil
}
