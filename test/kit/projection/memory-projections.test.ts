import { memoryProjections } from '../../../kit/index.js'
import { projectionStoreSuite } from './projection-stores.js'

projectionStoreSuite({ name: 'memory', open: memoryProjections })
