"""Requests and responses of OpenAI's transcription API; `service.http.routes.openai` serves them.

Source: https://platform.openai.com/docs/api-reference/audio, and the types of the package openai.
"""
