package httpapi

import (
	"fmt"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// operation is what openapi.yaml says of one call, as far as it is checked before the call is served.
type operation struct {
	scope string                      // that the key must have
	path  map[string]*openapi3.Schema // what its address names
	query map[string]*openapi3.Schema // the parameters it knows
	body  *openapi3.Schema            // nil: it takes none
}

// contract is every call, by method and path template, as in "GET /v1/orders/{number}".
type contract map[string]operation

// readContract reads the embedded openapi.yaml. A call without exactly one scope is refused: what nobody thought about
// is open to nobody.
func readContract() (contract, error) {
	spec, err := GetSpec()
	if err != nil {
		return nil, fmt.Errorf("read the embedded OpenAPI document: %w", err)
	}
	calls := contract{}
	for path, item := range spec.Paths.Map() {
		for method, op := range item.Operations() {
			o := operation{path: map[string]*openapi3.Schema{}, query: map[string]*openapi3.Schema{}}
			if op.Security == nil || len(*op.Security) != 1 || len((*op.Security)[0]["appKey"]) != 1 {
				return nil, fmt.Errorf("the OpenAPI document must give %s %s one scope", method, path)
			}
			o.scope = (*op.Security)[0]["appKey"][0]
			for _, p := range slices.Concat(item.Parameters, op.Parameters) {
				switch p.Value.In {
				case openapi3.ParameterInPath:
					o.path[p.Value.Name] = p.Value.Schema.Value
				case openapi3.ParameterInQuery:
					o.query[p.Value.Name] = p.Value.Schema.Value
				}
			}
			if op.RequestBody != nil {
				o.body = op.RequestBody.Value.Content["application/json"].Schema.Value
			}
			calls[strings.ToUpper(method)+" "+path] = o
		}
	}
	return calls, nil
}
