import Turn

await Turn.main()
