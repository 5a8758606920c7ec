/** A power cut after every change to the disk that keeps the order of names and sizes, as ext4 does; bytes may be missing and are zeros then. */
import { imageSuite } from './image-suite.js'

imageSuite(
  'ordered',
  '[fault 4] [fault 8] [fault 9] [fault 10] [fault 13] [fault 17] [K3] [M1] a power cut that keeps the order of metadata',
)
