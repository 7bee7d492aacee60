"""Studies: experiments of many runs that answer a question, each with its tables and pictures."""
