"""OpenAI's wire formats: pure translations between JSON and our values, and the endpoints that use them."""
