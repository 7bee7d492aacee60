"""Studies: experiments of many runs that answer a question, each with its tables and pictures.

Each file here holds a `STUDY` and is a command, `ranvier study NAME`; what several of them share is in folders.
"""
