package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"go.yaml.in/yaml/v3"
)

// lines reads on which line of a YAML document each key stands. It fails on what is not one map of keys.
func lines(document []byte) (map[string]int, error) {
	var root yaml.Node
	read := yaml.NewDecoder(bytes.NewReader(document))
	if err := read.Decode(&root); errors.Is(err, io.EOF) {
		return nil, nil // an empty file says nothing, which is allowed
	} else if err != nil {
		return nil, err
	}
	top := root.Content[0]
	if top.Kind != yaml.MappingNode && top.Tag != "!!null" {
		return nil, errors.New("the file must be a map of keys, such as mode: development")
	}
	if err := read.Decode(&yaml.Node{}); !errors.Is(err, io.EOF) {
		return nil, errors.New("the file holds more than one YAML document; only one is read")
	}
	at := map[string]int{}
	note(at, "", top)
	return at, nil
}

func note(at map[string]int, key string, n *yaml.Node) {
	switch n.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			name := below(key, n.Content[i].Value)
			at[name] = n.Content[i].Line
			note(at, name, n.Content[i+1])
		}
	case yaml.SequenceNode:
		for i, item := range n.Content {
			name := fmt.Sprintf("%s[%d]", key, i)
			at[name] = item.Line
			note(at, name, item)
		}
	}
}
