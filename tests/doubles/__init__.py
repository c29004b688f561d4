"""Real local servers that do as they are told. They listen on free ports of 127.0.0.1 and live in threads of their own."""
