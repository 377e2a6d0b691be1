"""The commands of the program for operators, one file per subject; what they tell."""
