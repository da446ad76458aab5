"""What all pages share: the application's frame, cookies by area, languages, errors in words, safe headers."""
