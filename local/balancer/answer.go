package balancer

import (
	"fmt"
	"io"
	"net/http"
)

// statusText is how the answers of a load balancer name a status. Some names differ from net/http's.
func statusText(code int) string {
	switch code {
	case http.StatusMethodNotAllowed:
		return "Not Allowed"
	case http.StatusRequestTimeout:
		return "Request Time-out"
	case http.StatusRequestURITooLong:
		return "Request-URI Too Large"
	case http.StatusServiceUnavailable:
		return "Service Temporarily Unavailable"
	case http.StatusGatewayTimeout:
		return "Gateway Time-out"
	default:
		return http.StatusText(code)
	}
}

// answer writes an answer of the load balancer's own. An ALB's have this form; AWS does not document it.
func answer(w http.ResponseWriter, code int) {
	title := fmt.Sprint(code)
	if text := statusText(code); text != "" {
		title += " " + text
	}
	body := "<html>\r\n<head><title>" + title + "</title></head>\r\n<body>\r\n<center><h1>" + title +
		"</h1></center>\r\n</body>\r\n</html>\r\n"
	w.Header().Set("Server", serverName)
	w.Header().Set("Content-Type", "text/html")
	w.WriteHeader(code)
	_, _ = io.WriteString(w, body)
}

const serverName = "awselb/2.0"
