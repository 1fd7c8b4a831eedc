"""Starts deployments, runs the program against them, and compares what came out. No test lives here."""
