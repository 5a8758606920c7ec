/** A kill after every change to the disk, and in the middle of writes under way, at any byte of them. */
import { imageSuite } from './image-suite.js'

imageSuite(
  'kill',
  '[fault 1] [fault 8] [fault 9] [fault 10] [fault 13] [fault 15] [fault 17] [K2] [K3] [M1] [M4] [M5] a kill',
)
