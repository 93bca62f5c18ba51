"""Typed promises that a saga may call; their bodies live beside this folder."""
