// Turn
