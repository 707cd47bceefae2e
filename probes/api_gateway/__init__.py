"""APIs of API Gateway: REST, HTTP and WebSocket."""
