"""The web page: server-rendered HTML with one small script, over the same runs, store and owners as the API."""
