"""From a recording and a request to scored utterances."""
