#!/usr/bin/env node
// The crash harness by its own name: `annals torture`.
import { main } from './main.js'
import { processTerminal } from './terminal.js'

const terminal = processTerminal()
process.exitCode = await main(['torture', ...process.argv.slice(2)], terminal)
terminal.close()
