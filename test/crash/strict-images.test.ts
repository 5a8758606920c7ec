/**
 * A power cut after every change to the disk that takes everything unsynced, or any of it: sectors of 512 or 4,096 bytes, names, sizes; a
 * file may have grown over blocks that still hold what they held before.
 */
import { imageSuite } from './image-suite.js'

imageSuite(
  'strict',
  '[fault 2] [fault 3] [fault 5] [fault 6] [fault 8] [fault 9] [fault 10] [fault 13] [fault 16] [fault 17] [K3] [M1] a power cut that takes any of what is unsynced',
)
