package checkout

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"golang.org/x/text/language"
)

//go:embed words.json
var wordsText []byte

// words is every text of the pages, in Chinese and English.
var words = func() (w map[string][2]string) {
	if err := json.Unmarshal(wordsText, &w); err != nil {
		panic(fmt.Sprintf("words.json: %v", err)) // it is embedded
	}
	return w
}()

// lang is a language of the pages: the index into words.
type lang int

const (
	chinese lang = iota
	english
)

func (l lang) tag() string { return [...]string{"zh-CN", "en"}[l] }

// say is a text. One that is missing is a fault of ours that a test finds.
func (l lang) say(key string) string { return words[key][l] }

// scriptWords are the texts that the page's script says.
func (l lang) scriptWords() map[string]string {
	texts := map[string]string{}
	for key, w := range words {
		if strings.HasPrefix(key, "js_") {
			texts[strings.TrimPrefix(key, "js_")] = w[l]
		}
	}
	for _, key := range []string{"starting", "copied", "copy_failed", "still_confirming", "check"} {
		texts[key] = l.say(key)
	}
	return texts
}

const langCookie = "pb-lang"

var languages = language.NewMatcher([]language.Tag{language.SimplifiedChinese, language.English})

// langOf is the payer's language: what they chose on a page (?lang), else what their client asks for. English is for whoever
// asks for a third; who says nothing gets Chinese.
func langOf(r *http.Request) lang {
	chosen := r.URL.Query().Get("lang")
	if c, err := r.Cookie(langCookie); err == nil && chosen == "" {
		chosen = c.Value
	}
	switch chosen {
	case "zh", "zh-CN":
		return chinese
	case "en":
		return english
	}
	asked, _, err := language.ParseAcceptLanguage(r.Header.Get("Accept-Language"))
	if err != nil || len(asked) == 0 {
		return chinese
	}
	if _, at, sure := languages.Match(asked...); at == 1 || sure == language.No {
		return english
	}
	return chinese
}
