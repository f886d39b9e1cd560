// Package rest has the answers of services that are asked by HTTP.
package rest

import (
	"fmt"
	"io"
	"net/http"
)

// Do sends a request to a service and returns its answer. One that is not a success is an error, which begins with who names the service.
func Do(client *http.Client, request *http.Request, who string) ([]byte, error) {
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	if response.StatusCode/100 != 2 {
		return nil, fmt.Errorf("%s answered %d to %s %s: %.200s", who, response.StatusCode, request.Method, request.URL.RequestURI(), answer)
	}
	return answer, nil
}
