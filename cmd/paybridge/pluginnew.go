package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"github.com/paybridge/paybridge/plugins"
)

var channelName = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)

func pluginNewCommand() *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:   "new NAME",
		Short: "Write a channel that works, to begin a plugin with",
		Long: `Writes the folder of a plugin in Go that takes payments from its first minute: the channel, the JSON Schema of its
accounts, MAPPING.md, a program in provider/ that plays its provider, and the test that holds both against the contract.
Then turn the wire into your provider's, file by file, and keep the test green. docs/adding-a-channel.md is the walk.`,
		Example: "  paybridge plugin new acme-pay          # into plugins/acme-pay\n  paybridge plugin new acme-pay --dir ../acme-pay",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			name := args[0]
			if dir == "" {
				dir = filepath.Join("plugins", name)
			}
			if err := writeChannel(dir, name); err != nil {
				return err
			}
			return tellChannel(cmd.OutOrStdout(), dir, name)
		},
	}
	cmd.Flags().StringVar(&dir, "dir", "", "the folder to write; plugins/NAME unless set. It must not be there yet")
	return cmd
}

// writeChannel writes the template under another name.
func writeChannel(dir, name string) error {
	if !channelName.MatchString(name) || len(name) > 40 {
		return fmt.Errorf("%q is no name of a channel: a-z, 0-9 and -, beginning with a letter, at most 40", name)
	}
	if _, err := os.Lstat(dir); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s is there already; nothing was written: remove it, or name another by --dir", dir)
	}
	old, template, err := plugins.Template()
	if err != nil {
		return err
	}
	return fs.WalkDir(template, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		to := filepath.Join(dir, filepath.FromSlash(path))
		if d.IsDir() {
			return os.MkdirAll(to, 0o755)
		}
		text, err := fs.ReadFile(template, path)
		if err != nil {
			return err
		}
		return os.WriteFile(to, renamed(text, old, name), 0o644)
	})
}

// renamed puts the new name where the template says its own: as a string, before a colon, as a command, as a channel.
func renamed(text []byte, old, name string) []byte {
	for _, place := range []string{`"%s"`, `"%s: `, "Command %s ", "The %s channel", "the %s channel"} {
		text = bytes.ReplaceAll(text, fmt.Appendf(nil, place, old), fmt.Appendf(nil, place, name))
	}
	return text
}

func tellChannel(out io.Writer, dir, name string) error {
	_, err := fmt.Fprint(out, strings.NewReplacer("DIR", filepath.ToSlash(dir), "NAME", name).Replace(lines(
		"Wrote DIR, a channel that works. Hold it against the contract:",
		"",
		"  go test ./DIR",
		"",
		"Then make it your provider's, and keep that test green:",
		"",
		"  describe.go           what the channel can do: hand-offs, close, refund limits, where notifications are signed",
		"  account.schema.json   what an operator configures; \"writeOnly\": true marks what is secret",
		"  configure.go          check it, name the wrong field, parse the keys, put it in use",
		"  wire.go               sign, send, verify; the table of codes; what an error means",
		"  payments.go           create, query and close: the provider's words and states",
		"  refunds.go            the same for refunds",
		"  notifications.go      verify, then read; the dedupe key; the answers that the provider expects",
		"  provider/             your provider as you know it, for the test and for `paybridge dev`",
		"  MAPPING.md            every field, state and code, with the provider's documents beside you",
		"",
		"`make build` builds and pins it; an account and an entry of provider NAME in the configuration put it in use.",
		"docs/adding-a-channel.md goes through it step by step.",
	)))
	return err
}
